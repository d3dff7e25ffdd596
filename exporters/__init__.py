"""What runs beside databases and inside services; reads only compiled files, and knows nothing of the generator."""
