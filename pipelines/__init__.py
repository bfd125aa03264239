"""How Kinfold runs: the definitions that Dagster loads, the instance's storage, and the `kinfold` command."""
