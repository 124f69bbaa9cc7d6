"""Everything between the product and PostgreSQL, the bundled server included."""
