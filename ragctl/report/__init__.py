"""Results of evaluations as one page for people: HTML that needs no network, or Markdown."""
