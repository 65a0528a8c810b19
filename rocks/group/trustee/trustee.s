// So that functions without a body are allowed, which another package has.
