package report

// Version is set by the linker when a release is built.
var Version = "0.1.0-dev"
