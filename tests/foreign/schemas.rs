//! The published schemas: the wire's own types and the shipped configurations are what they say, and what they forbid is refused.
