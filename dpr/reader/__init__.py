"""Machine reading comprehension: answer spans out of retrieved passages."""
