package edgediff.apk

import com.android.apksig.ApkSigner
import com.android.apksig.ApkVerifier
import com.android.apksig.KeyConfig
import java.io.File
import java.security.KeyStore
import java.security.PrivateKey
import java.security.cert.X509Certificate
import kotlin.system.exitProcess

private const val PAGE = 16384
private const val WORD = 4
private const val MAX_BYTES = 155_000L
private const val ALIAS = "debug"
private val PASSWORD = "android".toCharArray()

/** Signs an APK with a debug key, and ends with an error if Android would not take it: unsigned, signed, key store. */
fun main(arguments: Array<String>) {
    val (unsigned, signed, keys) = arguments.map(::File)
    sign(unsigned, signed, keys)
    val faults = faults(signed)
    faults.forEach(System.err::println)
    println("$signed: ${signed.length()} bytes, ${ownBytes(signed)} without models and native libraries")
    if (faults.isNotEmpty()) exitProcess(1)
}

/** Signs by the schemes of Android 7 and 9; native libraries begin at a page of memory, of 16 KB on newer phones. */
fun sign(unsigned: File, signed: File, keys: File) {
    val store = KeyStore.getInstance(keys, PASSWORD)
    val key = KeyConfig.Jca(store.getKey(ALIAS, PASSWORD) as PrivateKey)
    val certificates = listOf(store.getCertificate(ALIAS) as X509Certificate)
    val signer = ApkSigner.SignerConfig.Builder(ALIAS, key, certificates).build()
    ApkSigner.Builder(listOf(signer))
        .setInputApk(unsigned)
        .setOutputApk(signed)
        .setV1SigningEnabled(false)
        .setV2SigningEnabled(true)
        .setV3SigningEnabled(true)
        .setV4SigningEnabled(false)
        .setAlignmentPreserved(false)
        .setLibraryPageAlignmentBytes(PAGE)
        .build()
        .sign()
}

/** Why Android would not take [apk], one sentence each. */
fun faults(apk: File): List<String> = (unsigned(apk) + misplaced(apk) + tooLarge(apk)).map { "$apk $it" }

private fun unsigned(apk: File): List<String> {
    val result = ApkVerifier.Builder(apk).build().verify()
    if (result.isVerified && result.isVerifiedUsingV3Scheme) return emptyList()
    val reasons = result.errors + result.v2SchemeSigners.flatMap { it.errors } + result.v3SchemeSigners.flatMap { it.errors }
    return listOf("is not signed: ${reasons.joinToString()}")
}

/** What is mapped into memory must be stored, at a multiple of a page or a word. */
private fun misplaced(apk: File): List<String> = entries(apk).mapNotNull { entry ->
    val wanted = if (entry.name.endsWith(".so")) PAGE else WORD
    val mapped = entry.stored || entry.name == "resources.arsc"
    val right = entry.stored && entry.offset % wanted == 0L
    if (mapped && !right) "does not store ${entry.name} at a multiple of $wanted bytes" else null
}

private fun tooLarge(apk: File): List<String> {
    val bytes = ownBytes(apk)
    return if (bytes > MAX_BYTES) listOf("has $bytes bytes of its own, at most $MAX_BYTES are wanted") else emptyList()
}

/** The size without what the app is given: models in `assets/`, onnxruntime in `lib/`. */
private fun ownBytes(apk: File): Long {
    val given = entries(apk).filter { it.name.startsWith("assets/") || it.name.startsWith("lib/") }
    return apk.length() - given.sumOf { it.bytes }
}
