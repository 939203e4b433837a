"""The Chinese of every English sentence, and the tool that keeps the two together."""
