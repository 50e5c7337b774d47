"""How each feature is measured in label images, and how a whole volume of them is measured."""
