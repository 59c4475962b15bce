"""The audit log. Registered when `squad audit` is there to be measured."""
