"""What a method is made of: its sizes and costs, and its plan as a picture. Nothing is computed, nothing trained."""
