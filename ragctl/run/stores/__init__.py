"""The kinds of stores, as the runner uses them: one face for each, whatever library is behind it."""
