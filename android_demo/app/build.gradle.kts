import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "edgediff.demo"
    compileSdk = 36

    defaultConfig {
        applicationId = "edgediff.demo"
        minSdk = 26
        targetSdk = 34
        versionCode = 1
        versionName = "0.1.0"
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "rules.pro")
            signingConfig = signingConfigs.getByName("debug")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    androidResources {
        noCompress += "bin" // weights hardly shrink
    }

    testOptions {
        unitTests {
            isIncludeAndroidResources = true
            all { it.exclude("edgediff/apk/**") } // of the APK that Maven makes
        }
    }
}

kotlin {
    compilerOptions {
        allWarningsAsErrors = true
        jvmTarget = JvmTarget.JVM_1_8
    }
}

dependencies {
    implementation(project(":dpf"))
    implementation(libs.onnxruntime.android)
    testImplementation(libs.onnxruntime) // libraries for the computer
    testImplementation(libs.apksig)
    testImplementation(libs.junit4)
    testImplementation(libs.kotlin.test.junit4)
    testImplementation(libs.robolectric)
}
