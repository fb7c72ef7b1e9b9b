"""Fill indexes and query them: what command line and service share."""
