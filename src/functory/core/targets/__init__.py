"""Where results and notices go: from an ARN to the delivery that hands a payload over."""
