"""The only place that knows both stages and adapters: it composes them and runs them."""
