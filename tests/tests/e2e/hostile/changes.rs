//! Plugins that fail when they are told of a change, asked to hand over, or told of outcomes.
