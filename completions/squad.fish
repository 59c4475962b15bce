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
complete -c squad -n "__fish_squad_needs_command" -f -a "demo" -d 'See the main job on real input, on this machine alone'
complete -c squad -n "__fish_squad_needs_command" -f -a "deploy" -d 'Build a service and make it live'
complete -c squad -n "__fish_squad_needs_command" -f -a "help" -d 'Show the help of a command, or a page about a topic'
complete -c squad -n "__fish_squad_needs_command" -f -a "history" -d 'Show what changed, who did it and how it ended'
complete -c squad -n "__fish_squad_needs_command" -f -a "logs" -d 'Show what a service wrote'
complete -c squad -n "__fish_squad_needs_command" -f -a "man" -d 'Print a manual page in roff'
complete -c squad -n "__fish_squad_needs_command" -f -a "rollback" -d 'Put all traffic back on the last revision that served healthily'
complete -c squad -n "__fish_squad_needs_command" -f -a "status" -d 'Show what is live, and how it is'
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
complete -c squad -n "__fish_squad_using_subcommand demo" -l directory -d 'Where; a directory that does not exist yet' -r -F
complete -c squad -n "__fish_squad_using_subcommand demo" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand demo" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand demo" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand demo" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand demo" -l clean -d 'Stop what the demo started and remove all of it'
complete -c squad -n "__fish_squad_using_subcommand demo" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand demo" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand demo" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand demo" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand demo" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l artifact -d 'Deploy this directory as it is, without a build' -r -F
complete -c squad -n "__fish_squad_using_subcommand deploy" -l changed-since -d 'The services of the workspace whose inputs differ from this commit' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l timeout -d 'The longest it may take' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand deploy" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand deploy" -l dry-run -d 'Show the plan and change nothing'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l exit-code -d 'With --dry-run: exit with 10 when something would change'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l rebuild -d 'Build although nothing changed'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l all -d 'Every service of the workspace'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l no-wait -d 'Return once it is under way'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l again -d 'Deploy a release that was rolled back from'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l allow-older -d 'Deploy an older state than what is live'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l allow-dirty -d 'Deploy changes that are not committed to a protected environment'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l all-at-once -d 'No gradual rollout in a protected environment'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s V -l version -d 'Print version'
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
complete -c squad -n "__fish_squad_using_subcommand history" -l since -d 'Not older than this' -r
complete -c squad -n "__fish_squad_using_subcommand history" -l limit -d 'At most so many operations' -r
complete -c squad -n "__fish_squad_using_subcommand history" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand history" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand history" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand history" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand history" -l all -d 'Every service'
complete -c squad -n "__fish_squad_using_subcommand history" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand history" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand history" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand history" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand history" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand logs" -l revision -d 'Of this revision only' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l since -d 'Not older than this' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l tail -d 'The newest so many lines; 0 = all that are kept' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand logs" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand logs" -s f -l follow -d 'Go on until Ctrl-C'
complete -c squad -n "__fish_squad_using_subcommand logs" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand logs" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand logs" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand logs" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand logs" -s V -l version -d 'Print version'
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
complete -c squad -n "__fish_squad_using_subcommand rollback" -l to -d 'Revision to go to' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l timeout -d 'The longest that starting the revision may take' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollback" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollback" -l dry-run -d 'Show the plan and change nothing'
complete -c squad -n "__fish_squad_using_subcommand rollback" -l exit-code -d 'With --dry-run: exit with 10 when something would change'
complete -c squad -n "__fish_squad_using_subcommand rollback" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollback" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollback" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollback" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollback" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand status" -l timeout -d 'With --watch: end with 124 after this time' -r
complete -c squad -n "__fish_squad_using_subcommand status" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand status" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand status" -s o -l output -d 'Form of the answer' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand status" -l color -d 'When to colour' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand status" -l all -d 'Every service'
complete -c squad -n "__fish_squad_using_subcommand status" -s w -l watch -d 'Show again whenever something changes, until Ctrl-C'
complete -c squad -n "__fish_squad_using_subcommand status" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand status" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand status" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand status" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand status" -s V -l version -d 'Print version'
