"""One file, one component: the file's name is what a scenario calls it."""

if __name__ != "fedrobust.strategies":
    raise ImportError(
        "Import `fedrobust.strategies`, not `strategies`: the folder is only where its source lies."
    )
