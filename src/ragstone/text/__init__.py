"""What a text consists of: terms and sentences."""
