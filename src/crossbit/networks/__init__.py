"""Networks: the parts that several deep methods share."""
