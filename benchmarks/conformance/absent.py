"""What peers have and fedrobust has not, and why."""

__all__ = ["ABSENT"]

_BY_CLIENTS = "lets clients clip, whom a defense cannot trust to do it."
_NO_VECTORS = "is for trees, not for models that are vectors."

ABSENT = {
    ("ByzPy", "ComparativeGradientElimination"): "averages the n - f shortest updates. A malicious "
    "one only has to be short, as those of `ipm` are; here `adaptive_robust_clipping` and "
    "`norm_clipping` bound long ones.",
    ("Flower", "QFedAvg"): "weights clients by their losses: for fairness, no defense.",
    ("Flower", "FedProx"): "sends clients the weight of a proximal term, for them to add, and "
    "averages like FedAvg; here `fed_prox` adds it.",
    ("Flower", "FedXgbBagging"): _NO_VECTORS,
    ("Flower", "FedXgbCyclic"): _NO_VECTORS,
    ("Flower", "DifferentialPrivacyClientSideFixedClipping"): _BY_CLIENTS,
    ("Flower", "DifferentialPrivacyClientSideAdaptiveClipping"): _BY_CLIENTS,
    ("Flower", "DifferentialPrivacyServerSideAdaptiveClipping"): "moves the bound on norms towards "
    "a quantile of them, by noisy counts; here it is fixed in `norm_clipping`, and "
    "`adaptive_robust_clipping` takes it from each round.",
}
