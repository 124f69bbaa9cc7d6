"""Mechanisms that know no word of the domain: settings, database, HTTP, sealing, clock."""
