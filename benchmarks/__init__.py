"""How fast fedrobust is beside its peers: ``make bench``."""
