"""Front ends: from the user's model to the float graph."""
