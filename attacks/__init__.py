"""One file, one component: the file's name is what a scenario calls it."""

if __name__ != "fedrobust.attacks":
    raise ImportError(
        "Import `fedrobust.attacks`, not `attacks`: the folder is only where its source lies."
    )
