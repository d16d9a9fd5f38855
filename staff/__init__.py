"""Who works here: staff users and their roles as code. Customers are never users of this kind."""
