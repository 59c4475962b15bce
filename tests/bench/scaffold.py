"""`squad new`. Registered when `squad new` is there to be measured."""
