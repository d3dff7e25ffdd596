from generator.model import Domain

DOMAIN = Domain(domain="orders", title="Orders", owner="sales")
