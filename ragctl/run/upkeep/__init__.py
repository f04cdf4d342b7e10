"""What keeps an index in order between ingests: its generations, what is taken out, what is mended."""
