package main

import (
	"github.com/LerianStudio/midaz-infra/resources"
	"github.com/LerianStudio/midaz-infra/resources/rabbitmq"
)

// fixes is what validate -fix would change.
type fixes struct {
	files []*fixedFile
	fixed []rabbitmq.Advised
	not   []notFixed
}

// fixedFile is one spec file with its text before and after.
type fixedFile struct {
	name          string // as given on the command line
	path          string
	before, after string
	staged        string // a file beside it that holds the new text
}

type notFixed struct {
	addr resources.Addr
	why  string
}
