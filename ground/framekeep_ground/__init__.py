"""Ground segment: downlinked packets to pictures and tables, pure Python."""
