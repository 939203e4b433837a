"""What the nets reach on a machine, beside what the machine could reach: `python -m models.bench`."""
