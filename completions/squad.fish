# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_squad_global_optspecs
    string join \n org= env= o/output= color= y/yes no-input q/quiet v/verbose h/help V/version
end

function __fish_squad_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_squad_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_squad_using_subcommand
    set -l cmd (__fish_squad_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c squad -n "__fish_squad_needs_command" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_needs_command" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_needs_command" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_needs_command" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_needs_command" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_needs_command" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_needs_command" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_needs_command" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_needs_command" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c squad -n "__fish_squad_needs_command" -f -a "help" -d 'Show the help of a command, or a page about a topic'
complete -c squad -n "__fish_squad_needs_command" -f -a "man" -d 'Print a manual page in roff'
complete -c squad -n "__fish_squad_needs_command" -f -a "version" -d 'Print the version'
complete -c squad -n "__fish_squad_using_subcommand completions" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand completions" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand completions" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand completions" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand completions" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand completions" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand completions" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand completions" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand completions" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand help" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand help" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand help" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand help" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand help" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand help" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand help" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand help" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand help" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand man" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand man" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand man" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand man" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand man" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand man" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand man" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand man" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand man" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand version" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand version" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand version" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand version" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand version" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand version" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand version" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand version" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand version" -s V -l version -d 'Print version'
