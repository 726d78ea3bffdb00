"""Tables as text."""


def numbered(rows, header="a,y"):
    """Return rows as CSV."""
    return "\n".join([header, *(",".join(str(v) for v in row) for row in rows)])
