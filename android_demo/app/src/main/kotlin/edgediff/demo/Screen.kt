package edgediff.demo

import android.text.InputFilter
import android.view.View
import android.view.inputmethod.InputMethodManager
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Spinner
import android.widget.TextView
import edgediff.diff.Kind
import edgediff.diff.Task
import edgediff.runtime.BaseTask
import edgediff.runtime.Mode

/** What the user can do. */
interface Actions {
    /** Choose the task of that name. */
    fun choose(task: String)

    /** Ask a question. */
    fun ask(question: Question)

    /** Measure what a switch takes. */
    fun measure()

    /** Look for a `.dpf` file to open. */
    fun openFile()
}

/** The views in [root]: they show a [State] and call [actions]. */
class Screen(private val root: View, private val actions: Actions) {
    private val resources = root.resources
    private val status: TextView = root.findViewById(R.id.status)
    private val tasks: Spinner = root.findViewById(R.id.tasks)
    private val textLabel: TextView = root.findViewById(R.id.text_label)
    private val text: TextView = root.findViewById(R.id.text)
    private val pairLabel: TextView = root.findViewById(R.id.pair_label)
    private val pair: TextView = root.findViewById(R.id.pair)
    private val ask: View = root.findViewById(R.id.ask)
    private val problem: TextView = root.findViewById(R.id.problem)
    private val answer = AnswerCard(root.findViewById(R.id.answer))
    private val measure: TextView = root.findViewById(R.id.measure)
    private val median: TextView = root.findViewById(R.id.median)
    private val openFile: View = root.findViewById(R.id.open_file)
    private val busy: View = root.findViewById(R.id.busy)
    private var listed: List<BaseTask> = emptyList()

    init {
        for (field in listOf(text, pair)) field.filters = arrayOf(InputFilter.LengthFilter(MAX_CHARACTERS))
        tasks.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(parent: AdapterView<*>, view: View?, position: Int, id: Long) =
                actions.choose(listed[position].name)

            override fun onNothingSelected(parent: AdapterView<*>) = Unit
        }
        measure.text = resources.getString(R.string.measure, SWITCHES)
        measure.setOnClickListener { actions.measure() }
        openFile.setOnClickListener { actions.openFile() }
    }

    /** Shows [state]. */
    fun show(state: State) {
        status.text = statusOf(state)
        busy.visibility = if (state.busy) View.VISIBLE else View.INVISIBLE
        list(state.tasks, state.task)
        state.task?.let { showFields(it.definition) }
        ask.setOnClickListener { state.task?.let(::askAbout) }
        problem.showOrHide(state.problem)
        answer.show(state.outcome)
        median.showOrHide(
            state.median?.let { resources.getString(R.string.median, SWITCHES, it.inMilliseconds) },
        )
        ask.isEnabled = !state.busy && state.task != null
        measure.isEnabled = ask.isEnabled
        openFile.isEnabled = !state.busy && state.mode != null
    }

    private fun statusOf(state: State): String = when (state.mode) {
        null -> resources.getString(if (state.busy) R.string.opening else R.string.closed)
        Mode.LIVE -> resources.getQuantityString(R.plurals.live, state.tasks.size, state.tasks.size)
        else -> resources.getQuantityString(R.plurals.sessions, state.tasks.size, state.tasks.size)
    }

    private fun list(all: List<BaseTask>, chosen: BaseTask?) {
        if (listed != all) {
            listed = all
            tasks.adapter = ArrayAdapter(root.context, R.layout.task, all.map { it.name })
        }
        val position = all.indexOf(chosen)
        if (tasks.selectedItemPosition != position) tasks.setSelection(position)
    }

    private fun showFields(task: Task) {
        val (first, second) = when {
            task.kind == Kind.QUESTION_ANSWERING -> R.string.question to R.string.context
            task.takesTwo -> R.string.first_text to R.string.second_text
            else -> R.string.text to R.string.second_text
        }
        textLabel.setText(first)
        pairLabel.setText(second)
        for (view in listOf(pairLabel, pair)) view.visibility = if (task.takesTwo) View.VISIBLE else View.GONE
    }

    private fun askAbout(task: BaseTask) {
        root.context.getSystemService(InputMethodManager::class.java).hideSoftInputFromWindow(root.windowToken, 0)
        val second = if (task.definition.takesTwo) pair.text.toString() else null
        actions.ask(Question(task.name, text.text.toString(), second))
    }
}

/** Shows [shown], or with null is gone. */
internal fun TextView.showOrHide(shown: CharSequence?) {
    text = shown
    visibility = if (shown == null) View.GONE else View.VISIBLE
}
