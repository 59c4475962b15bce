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
complete -c squad -n "__fish_squad_needs_command" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_needs_command" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_needs_command" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_needs_command" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_needs_command" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_needs_command" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_needs_command" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_needs_command" -f -a "audit" -d 'Read and verify the record of who changed what'
complete -c squad -n "__fish_squad_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c squad -n "__fish_squad_needs_command" -f -a "config" -d 'Look at the effective configuration and check its files'
complete -c squad -n "__fish_squad_needs_command" -f -a "demo" -d 'See the main job on real input, on this machine alone'
complete -c squad -n "__fish_squad_needs_command" -f -a "deploy" -d 'Build a service and make it live'
complete -c squad -n "__fish_squad_needs_command" -f -a "doctor" -d 'Find what is wrong with this machine and an environment'
complete -c squad -n "__fish_squad_needs_command" -f -a "env" -d 'Look at the environments that services can be deployed to'
complete -c squad -n "__fish_squad_needs_command" -f -a "help" -d 'Show the help of a command, or a page about a topic'
complete -c squad -n "__fish_squad_needs_command" -f -a "history" -d 'Show what changed, who did it and how it ended'
complete -c squad -n "__fish_squad_needs_command" -f -a "invoke" -d 'Call a function once and print what it returns'
complete -c squad -n "__fish_squad_needs_command" -f -a "local" -d 'Look after the services that run on this machine'
complete -c squad -n "__fish_squad_needs_command" -f -a "logs" -d 'Show what a service wrote'
complete -c squad -n "__fish_squad_needs_command" -f -a "man" -d 'Print a manual page in roff'
complete -c squad -n "__fish_squad_needs_command" -f -a "new" -d 'Make a new service from a template'
complete -c squad -n "__fish_squad_needs_command" -f -a "org" -d 'Manage the orgs that this machine knows'
complete -c squad -n "__fish_squad_needs_command" -f -a "rollback" -d 'Put all traffic back on the last revision that served healthily'
complete -c squad -n "__fish_squad_needs_command" -f -a "rollout" -d 'Roll a revision out gradually, route by route, judged by evidence'
complete -c squad -n "__fish_squad_needs_command" -f -a "status" -d 'Show what is live, and how it is'
complete -c squad -n "__fish_squad_needs_command" -f -a "stop" -d 'Stop what is going on: abort the live rollout, else roll back'
complete -c squad -n "__fish_squad_needs_command" -f -a "template" -d 'Show and check the templates that `squad new` makes services from'
complete -c squad -n "__fish_squad_needs_command" -f -a "whoami" -d 'Show who you are in an environment, and what you may do there'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -f -a "key" -d 'Print the public half of this machine\'s key'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -f -a "list" -d 'List the events of an environment, newest first'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -f -a "show" -d 'Show everything about one event or one operation'
complete -c squad -n "__fish_squad_using_subcommand audit; and not __fish_seen_subcommand_from key list show verify" -f -a "verify" -d 'Check that nobody changed, removed or reordered what was recorded'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from key" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l service -d 'Only events about this service' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l since -d 'Not older than this' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l type -d 'Only types that begin like this, such as `deploy` or `deploy.finished` (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l limit -d 'At most so many events' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -l strict -d 'Also read every event and refuse what is not canonical JSON'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand audit; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand completions" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand completions" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand completions" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand completions" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand completions" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand completions" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand completions" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand completions" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand completions" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -f -a "check" -d 'Check all files of the configuration and report every mistake'
complete -c squad -n "__fish_squad_using_subcommand config; and not __fish_seen_subcommand_from check show" -f -a "show" -d 'Show every effective value of a service'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Say where each value comes from'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand config; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand demo" -l directory -d 'Where; a directory that does not exist yet' -r -F
complete -c squad -n "__fish_squad_using_subcommand demo" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand demo" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand demo" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand demo" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
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
complete -c squad -n "__fish_squad_using_subcommand deploy" -l port -d 'Port of this machine that the service keeps from now on' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l changed-since -d 'The services of the workspace whose inputs differ from this commit' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l timeout -d 'The longest it may take' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l steps -d 'Weights in percent, rising; those of squad.toml if not given' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l hold -d 'Time to stay at each step at least' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l route -d 'Move only this route, with weights of its own (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l gate -d 'Open this new route before the promotion: to named consumers, or to buckets of callers, as `consumer:mobile,web` or `bucket:5,25,50` (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l max-unattended-weight -d 'The highest weight in percent that a driver may set which does not stay' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand deploy" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand deploy" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
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
complete -c squad -n "__fish_squad_using_subcommand deploy" -l canary -d 'Roll out gradually, where the environment does not ask for it'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l adopt-alias -d 'Move those who call past the alias to it, one by one, instead of a deploy'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l undo -d 'With --adopt-alias: take back what was moved'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand deploy" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand deploy" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand doctor" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand doctor" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand doctor" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand doctor" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand doctor" -l all -d 'Every service of the environment'
complete -c squad -n "__fish_squad_using_subcommand doctor" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand doctor" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand doctor" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand doctor" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -f -a "list" -d 'List the environments'
complete -c squad -n "__fish_squad_using_subcommand env; and not __fish_seen_subcommand_from list show" -f -a "show" -d 'Show one environment: platform, account, cluster, protection, audit log'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand env; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand help" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand help" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand help" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand help" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
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
complete -c squad -n "__fish_squad_using_subcommand history" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand history" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand history" -l all -d 'Every service'
complete -c squad -n "__fish_squad_using_subcommand history" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand history" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand history" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand history" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand history" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand invoke" -l payload -d 'Event as JSON, `-` to read it from standard input; `{}` if not given' -r
complete -c squad -n "__fish_squad_using_subcommand invoke" -l payload-file -d 'File that holds the event, `-` for standard input' -r -F
complete -c squad -n "__fish_squad_using_subcommand invoke" -l revision -d 'This revision instead of the one that has the traffic' -r
complete -c squad -n "__fish_squad_using_subcommand invoke" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand invoke" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand invoke" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand invoke" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand invoke" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand invoke" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand invoke" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand invoke" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand invoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand invoke" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -f -a "start" -d 'Start the local platform, with everything that had traffic'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -f -a "stop" -d 'Let requests end, then stop the local platform and all services on it'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -f -a "status" -d 'Show the local platform and the services on it'
complete -c squad -n "__fish_squad_using_subcommand local; and not __fish_seen_subcommand_from start stop status prune" -f -a "prune" -d 'Remove revisions that no rollback needs, and old log files'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -l foreground -d 'Stay in the foreground, for a service manager; Ctrl-C or SIGTERM drains and ends it'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from start" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -l all -d 'Those of every org and environment on this machine'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from stop" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -l reset-journal -d 'Begin a new journal instead, where it is damaged or gone: the services have to be deployed again'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand local; and __fish_seen_subcommand_from prune" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand logs" -l revision -d 'Of this revision only' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l since -d 'Not older than this' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l tail -d 'The newest so many lines; 0 = all that are kept' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand logs" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand logs" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
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
complete -c squad -n "__fish_squad_using_subcommand man" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand man" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand man" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand man" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand man" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand man" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand man" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand new" -l set -d 'Answer a question of the template (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand new" -l answers -d 'Take answers from a TOML file; --set comes first' -r -F
complete -c squad -n "__fish_squad_using_subcommand new" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand new" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand new" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand new" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand new" -l no-git -d 'Make no git repository'
complete -c squad -n "__fish_squad_using_subcommand new" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand new" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand new" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand new" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand new" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -f -a "add" -d 'Add an org from a directory or a git repository that holds its `org.toml`'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -f -a "list" -d 'List the orgs'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -f -a "refresh" -d 'Fetch an org\'s repository now'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -f -a "remove" -d 'Take an org from this machine\'s list; nothing else is changed or deleted'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -f -a "show" -d 'Show an org: its source, environments and squads'
complete -c squad -n "__fish_squad_using_subcommand org; and not __fish_seen_subcommand_from add list refresh remove show use" -f -a "use" -d 'Use an org wherever nothing else names one'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -l name -d 'Name to add it under, when it is not the one in its file' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -l timeout -d 'The longest that fetching a repository may take' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from add" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -l timeout -d 'The longest that fetching a repository may take' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from refresh" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from remove" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -l none -d 'No org: what was deployed without one is reached again'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand org; and __fish_seen_subcommand_from use" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollback" -l to -d 'Revision to go to' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l timeout -d 'The longest that starting the revision may take' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollback" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollback" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
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
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "abort" -d 'Put all traffic back, at once'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "drive" -d 'Take up a rollout and drive it to its end'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "lint" -d 'Check whether a rollout could be judged, before one is started'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "list" -d 'List rollouts, newest first'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "pause" -d 'Stay at the present weights until somebody decides'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "promote" -d 'Go to the next step without a verdict'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "rebase" -d 'Put the wanted traffic back after somebody else changed it'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "report" -d 'Tell the whole story of a rollout, live or over'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "resume" -d 'Go on after a pause'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "start" -d 'Start a gradual rollout and drive it to its end'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "status" -d 'Show a rollout: phase, weights, what was counted, the verdict of each route'
complete -c squad -n "__fish_squad_using_subcommand rollout; and not __fish_seen_subcommand_from abort drive lint list pause promote rebase report resume start status wait" -f -a "wait" -d 'Wait for the end of a rollout, and end with its verdict'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from abort" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -l all -d 'Every live rollout of the environment'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -l once -d 'Look one time, then end'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -l take-over -d 'Take it from a driver that still lives'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from drive" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l revision -d 'Revision to roll out; the newest one if not given' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l steps -d 'Weights in percent, rising; those of squad.toml if not given' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l hold -d 'Time to stay at each step at least' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l route -d 'Move only this route, with weights of its own (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l gate -d 'Open this new route before the promotion: to named consumers, or to buckets of callers, as `consumer:mobile,web` or `bucket:5,25,50` (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l max-unattended-weight -d 'The highest weight in percent that a driver may set which does not stay' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from lint" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -l limit -d 'At most so many of each service' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -l all -d 'Every service'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l full -d 'All traffic, at once'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l end-watch -d 'End the watch after the promotion'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from rebase" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -l service -d 'Service; the one of the current directory if not given' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -l html -d 'One HTML page on standard output'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from report" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l revision -d 'Revision to roll out; the newest one if not given' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l steps -d 'Weights in percent, rising; those of squad.toml if not given' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l hold -d 'Time to stay at each step at least' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l route -d 'Move only this route, with weights of its own (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l gate -d 'Open this new route before the promotion: to named consumers, or to buckets of callers, as `consumer:mobile,web` or `bucket:5,25,50` (can be repeated)' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l max-unattended-weight -d 'The highest weight in percent that a driver may set which does not stay' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l supersede -d 'Abort the live rollout first'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l again -d 'Roll out a revision that was rolled back from or aborted'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l dry-run -d 'Show the plan and change nothing'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l exit-code -d 'With --dry-run: exit with 10 when something would change'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l no-wait -d 'Return once it is under way; another process drives it'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from start" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -l timeout -d 'With --watch: end with 124 after this time' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -s w -l watch -d 'Show again whenever something changes, until it is over or Ctrl-C'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -l timeout -d 'The longest to wait' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand rollout; and __fish_seen_subcommand_from wait" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand status" -l max-age -d 'Ask again only when what this machine found the last time is older' -r
complete -c squad -n "__fish_squad_using_subcommand status" -l rate -d 'Services read each second at most, 1 to 80, where the platform counts them [default: 25]' -r
complete -c squad -n "__fish_squad_using_subcommand status" -l timeout -d 'With --watch: end with 124 after this time' -r
complete -c squad -n "__fish_squad_using_subcommand status" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand status" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand status" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand status" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand status" -l all -d 'Every service'
complete -c squad -n "__fish_squad_using_subcommand status" -l cached -d 'What this machine found the last time, without asking again'
complete -c squad -n "__fish_squad_using_subcommand status" -s w -l watch -d 'Show again whenever something changes, until Ctrl-C'
complete -c squad -n "__fish_squad_using_subcommand status" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand status" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand status" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand status" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand status" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand stop" -l timeout -d 'The longest that starting the revision before may take' -r
complete -c squad -n "__fish_squad_using_subcommand stop" -l reason -d 'Why; goes into the audit log' -r
complete -c squad -n "__fish_squad_using_subcommand stop" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand stop" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand stop" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand stop" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand stop" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand stop" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand stop" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand stop" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand stop" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -f -a "lint" -d 'Check a template: its manifest, variables, questions, paths and test renders'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -f -a "list" -d 'List the built-in templates'
complete -c squad -n "__fish_squad_using_subcommand template; and not __fish_seen_subcommand_from lint list show" -f -a "show" -d 'Show the questions and the files of a template'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from lint" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand template; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c squad -n "__fish_squad_using_subcommand whoami" -l org -d 'Org: a name, a directory or a git URL' -r
complete -c squad -n "__fish_squad_using_subcommand whoami" -l env -d 'Environment' -r
complete -c squad -n "__fish_squad_using_subcommand whoami" -s o -l output -d 'Form of the answer [default: text]' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c squad -n "__fish_squad_using_subcommand whoami" -l color -d 'When to colour [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c squad -n "__fish_squad_using_subcommand whoami" -s y -l yes -d 'Go on without asking'
complete -c squad -n "__fish_squad_using_subcommand whoami" -l no-input -d 'Never ask, even on a terminal'
complete -c squad -n "__fish_squad_using_subcommand whoami" -s q -l quiet -d 'Errors and data only'
complete -c squad -n "__fish_squad_using_subcommand whoami" -s v -l verbose -d 'Say more (can be repeated)'
complete -c squad -n "__fish_squad_using_subcommand whoami" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c squad -n "__fish_squad_using_subcommand whoami" -s V -l version -d 'Print version'
