"""``python -m fedrobust`` is ``fedrobust``."""

from fedrobust.cli import main

main()
