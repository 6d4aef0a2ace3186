"""Autoencoder of the digits, as a package: python -m package_style [--workers 2]."""
