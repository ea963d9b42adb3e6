"""Starting agents on the hosts of a fleet file, and ending them for sure: one small seam (`launcher.py`), one file a way."""
