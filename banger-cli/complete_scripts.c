/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "banger-cli/complete.h"

static const char bash[] =
	"# bash completion for banger: the program itself knows the candidates.\n"
	"_banger()\n"
	"{\n"
	"	local cur words cword line\n"
	"	# A value may hold ':' and '=': words are what blanks part.\n"
	"	if declare -F _get_comp_words_by_ref >/dev/null; then\n"
	"		_get_comp_words_by_ref -n := cur words cword\n"
	"	else\n"
	"		words=(\"${COMP_WORDS[@]}\") cword=$COMP_CWORD "
	"cur=${COMP_WORDS[COMP_CWORD]}\n"
	"	fi\n"
	"	COMPREPLY=()\n"
	"	while IFS= read -r line; do\n"
	"		case $line in\n"
	"		:files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "
	"\"$cur\") ;;\n"
	"		*) COMPREPLY+=(\"$line\") ;;\n"
	"		esac\n"
	"	done < <(\"${words[0]}\" __complete \"${words[@]:1:cword}\" 2>/dev/null)\n"
	"	if declare -F __ltrim_colon_completions >/dev/null; then\n"
	"		__ltrim_colon_completions \"$cur\"\n"
	"	fi\n"
	"}\n"
	"complete -F _banger banger\n";

/* Words with their descriptions. Found in $fpath as _banger, it is the function's body as well. */
static const char zsh[] = "#compdef banger\n"
			  "# zsh completion for banger: the program itself knows the candidates.\n"
			  "_banger()\n"
			  "{\n"
			  "	local line\n"
			  "	local -a found\n"
			  "	for line in ${(f)\"$(\"${(@Q)words[1]}\" __describe "
			  "\"${(@Q)words[2,CURRENT-1]}\" \"${(Q)PREFIX}\" 2>/dev/null)\"}; do\n"
			  "		if [[ $line == :files ]]; then\n"
			  "			[[ $PREFIX == --*=* ]] && compset -P '*='\n"
			  "			_files\n"
			  "		else\n"
			  "			line=${line//:/\\\\:}\n"
			  "			found+=(\"${line/$'\\t'/:}\")\n"
			  "		fi\n"
			  "	done\n"
			  "	(( $#found )) && _describe banger found\n"
			  "}\n"
			  "if [[ $funcstack[1] == _banger ]]; then\n"
			  "	_banger \"$@\"\n"
			  "else\n"
			  "	compdef _banger banger\n"
			  "fi\n";

static const char fish[] =
	"# fish completion for banger: the program itself knows the candidates.\n"
	"function __banger_complete\n"
	"	set -l words (commandline -opc) (commandline -ct)\n"
	"	set -l option (string match -r '^--[^=]*=' -- $words[-1])\n"
	"	for line in (command $words[1] __describe $words[2..-1] 2>/dev/null)\n"
	"		if test $line = :files\n"
	"			set -l typed (string replace -- \"$option\" '' $words[-1])\n"
	"			printf '%s\\n' \"$option\"(__fish_complete_path $typed)\n"
	"		else\n"
	"			echo $line\n"
	"		end\n"
	"	end\n"
	"end\n"
	"complete -c banger -f -a '(__banger_complete)'\n";

const char *complete_script(enum shell shell)
{
	if (shell == shell_zsh)
		return zsh;
	return shell == shell_fish ? fish : bash;
}
