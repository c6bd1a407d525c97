package infra

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kong"

	"binnacle/infra/terminal"
)

// helpOptions are how help is laid out: commands before flags.
var helpOptions = kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true, WrapUpperBound: 110, ValueFormatter: kong.DefaultHelpValueFormatter}

// storagePage is the name of the help page that lists the flags of the storage.
const storagePage = "storage"

// printHelp prints the help of the program or of one command. The flags of the storage are many and the same for every
// command: they have a page of their own, and the help of a command that touches the storage shows those few that say
// which storage it is.
func printHelp(options kong.HelpOptions, parsed *kong.Context) error {
	selected := parsed.Selected()
	touches := selected != nil && touchesStorage(selected)
	for _, flag := range parsed.Model.Flags {
		switch {
		case flag.Name == "help-storage" || flag.Name == "version":
			flag.Hidden = selected != nil
		case flag.Name != "help":
			flag.Hidden = !touches || !flag.Tag.Has("shown")
		}
	}
	if err := kong.DefaultHelpPrinter(options, parsed); err != nil {
		return err
	}
	if touches || selected == nil {
		_, err := fmt.Fprintf(parsed.Stdout, "\nThe flags of the storage (drivers, Kafka, Cassandra, Postgres, logging): \"binnacle help %s\".\n", storagePage)
		return err
	}
	return nil
}

// touchesStorage tells whether a command, or the one that it is part of, opens the storage.
func touchesStorage(node *kong.Node) bool {
	for ; node != nil; node = node.Parent {
		if node.Tag != nil && node.Tag.Has("storage") {
			return true
		}
	}
	return false
}

// printStorageHelp prints the page of the storage's flags. It changes the model: the program ends after it.
func printStorageHelp(parsed *kong.Context) error {
	for _, flag := range parsed.Model.Flags {
		flag.Hidden = slices.Contains([]string{"help", "help-storage", "version"}, flag.Name)
	}
	for _, command := range parsed.Model.Children {
		command.Hidden = true
	}
	parsed.Model.Help = "Every command that touches the storage has these flags. Each has an environment twin: a few variables describe an installation."
	whole, err := kong.Trace(parsed.Kong, nil)
	if err != nil {
		return err
	}
	options := helpOptions
	options.NoAppSummary, options.NoExpandSubcommands = true, false // expanded, hidden commands leave no heading
	return kong.DefaultHelpPrinter(options, whole)
}

// helpCommand shows help as --help does.
type helpCommand struct {
	Topic []string `arg:"" optional:"" help:"A command, as in binnacle help rebuild, or storage: the flags of the storage."`
}

// BeforeReset is called by the command line as soon as it has seen the command: help needs no configuration that holds.
func (*helpCommand) BeforeReset(parsed *kong.Context) error {
	if asksForHelp(parsed) {
		return nil // of this command: the flag gives it
	}
	topic := parsed.Args[slices.Index(parsed.Args, "help")+1:]
	if slices.Equal(topic, []string{storagePage}) {
		return helpStorageFlag(true).BeforeReset(parsed)
	}
	of, err := kong.Trace(parsed.Kong, append(slices.Clone(topic), "--help"))
	if err == nil {
		err = of.Error
	}
	if err != nil {
		return err
	}
	if err := printHelp(helpOptions, of); err != nil {
		return err
	}
	parsed.Exit(0)
	return nil
}

// helpStorageFlag shows the page of the storage's flags.
type helpStorageFlag bool

// BeforeReset is called by the command line as soon as it has seen the flag.
func (helpStorageFlag) BeforeReset(parsed *kong.Context) error {
	if err := printStorageHelp(parsed); err != nil {
		return err
	}
	parsed.Exit(0)
	return nil
}

// versionFlag prints the version.
type versionFlag bool

// BeforeReset is called by the command line as soon as it has seen the flag.
func (versionFlag) BeforeReset(parsed *kong.Context) error {
	_, err := fmt.Fprintln(parsed.Stdout, "binnacle", terminal.Version())
	parsed.Exit(0)
	return err
}

// versionCommand prints the version.
type versionCommand struct{}

// BeforeReset is called by the command line as soon as it has seen the command.
func (*versionCommand) BeforeReset(parsed *kong.Context) error {
	if asksForHelp(parsed) {
		return nil
	}
	return versionFlag(true).BeforeReset(parsed)
}

// asksForHelp tells whether the help flag was given.
func asksForHelp(parsed *kong.Context) bool {
	return slices.ContainsFunc(parsed.Args, func(arg string) bool { return arg == "--help" || arg == "-h" })
}
