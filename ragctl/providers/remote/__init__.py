"""What all providers that are asked over HTTP share; none of it knows one of them."""
