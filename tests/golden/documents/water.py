"""How much water a bed needs."""


def litres(rows: int) -> float:
    """Of a day."""
    return rows * 1.5


class Can:
    size = 10
