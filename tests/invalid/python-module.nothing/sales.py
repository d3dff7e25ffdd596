from generator.model import Domain
