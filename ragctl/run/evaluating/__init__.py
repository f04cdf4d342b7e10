"""eval: questions of a file asked as users ask them, and what came of it measured."""
