"""How one of several models is chosen: prices, rates, privacy and the decision itself. Pure."""
