"""Outrider: one self-hosted server through which a product sends and receives every message."""
