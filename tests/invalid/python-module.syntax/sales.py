from generator.model import Domain

DOMAIN = Domain(domain="sales"
