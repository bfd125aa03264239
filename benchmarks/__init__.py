"""How fast Kinfold is, measured in one run beside the limit or the peer that each figure is held against."""
