//! Golden-path templates: the manifest, the questions, and a pure and strict rendering.
