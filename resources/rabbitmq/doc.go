// Package rabbitmq teaches midaz the topology of a RabbitMQ broker: virtual
// hosts, users, permissions, exchanges, queues, bindings, policies, parameters
// and limits, read and written over the management HTTP API.
//
// A kind is one file: its table, how its objects are listed, read, written and
// removed, and what can be wrong with them in a spec. Everything else is
// shared: reader.go compares with what the stack owns, writer.go carries
// changes out and looks whether they happened, ledger.go remembers in the
// broker itself what the stack manages, client.go speaks HTTP.
//
// The package refuses to know the order in which things are done, and what is
// consented to: that is the engine's part.
package rabbitmq
