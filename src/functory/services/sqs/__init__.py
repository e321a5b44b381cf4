"""Amazon SQS: queues, standard and FIFO, durable on the store."""
