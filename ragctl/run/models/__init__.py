"""Which models a spec comes to, made with their keys, prices and limits."""
